# One image for the server, the command line and the gateway. `make image` builds it, and docs/operations.md says
# how to run it.

FROM python:3.13-slim-trixie AS base
ENV PATH=/opt/venv/bin:$PATH

FROM base AS build
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends gcc libc6-dev \
 && rm -rf /var/lib/apt/lists/*
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY requirements/build.txt requirements/server.txt requirements/cli.txt requirements/web.txt requirements/
RUN python -m venv /opt/builder \
 && /opt/builder/bin/pip install --require-hashes --requirement requirements/build.txt \
 && python -m venv --without-pip /opt/venv \
 && /opt/builder/bin/pip --python /opt/venv/bin/python install --no-compile --require-hashes \
      --requirement requirements/server.txt --requirement requirements/cli.txt \
      --requirement requirements/web.txt
COPY LICENSE .
COPY proto proto
COPY services services
COPY clients clients
# A kernel that does not compile fails the build: no image has the slow one.
RUN HASHFINDER_BUILD_KERNEL=native /opt/builder/bin/pip wheel --no-deps --no-build-isolation \
      --wheel-dir wheels ./proto ./services/hashfinder ./clients/python ./clients/cli ./clients/web \
 && /opt/builder/bin/pip --python /opt/venv/bin/python install --no-compile --no-deps --no-index \
      wheels/*.whl \
 && /opt/builder/bin/pip --python /opt/venv/bin/python check
# A server, its client and the gateway run once, and leave the bytecode of every module that they need. The base
# image has none of the standard library's, and later nobody can write it: each health check would
# compile for a second.
# hadolint ignore=DL3001
RUN export PYTHONPYCACHEPREFIX=/opt/bytecode \
 && { hashfinder-server --kernel native --workers 1 & server=$!; } \
 && timeout 60 sh -c 'until hashfinder health; do sleep 1; done' \
 && hashfinder find dad --show-inferior 1 \
 && hashfinder tour --help \
 && python -c 'import hashfinder_cli.commands.tour, hashfinder_cli.commands.searches, hashfinder_cli.commands.stop' \
 && { hashfinder-web & web=$!; } \
 && timeout 60 sh -c 'until hashfinder-web --check readyz; do sleep 1; done' \
 && hashfinder-web --check find/dad && hashfinder-web --check metrics \
 && kill "$web" && wait "$web" \
 && kill "$server" && wait "$server"

FROM base
COPY --from=build /opt/venv /opt/venv
COPY --from=build /opt/bytecode /opt/bytecode
# Plain text inside the container's own network; a certificate (docs/security.md) takes precedence.
ENV HASHFINDER_HOST=0.0.0.0 HASHFINDER_PLAIN_TEXT=true HASHFINDER_WEB_HOST=0.0.0.0 \
    PYTHONPYCACHEPREFIX=/opt/bytecode
USER 65532:65532
EXPOSE 50051 9464
EXPOSE 8080
HEALTHCHECK --interval=15s --timeout=5s --start-period=15s --retries=3 \
  CMD ["hashfinder", "health", "--server", "127.0.0.1:50051"]
ENTRYPOINT ["hashfinder-server"]

# Last, since they differ in every build.
ARG VERSION=unknown
ARG REVISION=unknown
ARG SOURCE=unknown
LABEL org.opencontainers.image.title="HashFinder" \
      org.opencontainers.image.description="A gRPC service that searches byte strings whose base64 SHA-1 resembles a name, its command line, and its gateway for browsers" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}"
