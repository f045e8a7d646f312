r"""What the help of each command has at its end: examples, what the output means, exit codes.

`\b` keeps the lines of a paragraph as they are. The tests run every example.
"""

from hashfinder_cli.exit_codes import EPILOG

FIND = f"""\
\b
Examples:
  hashfinder find doctor
  hashfinder find doctor --local
  hashfinder find doctor --show-inferior 1 --json
  hashfinder find doctors --resume --progress --timeout 600
  hashfinder find doctorwho --server dns:///hashfinder.example:50051 --shards 6
  hashfinder find c0ffee --encoding hex --anchor start --secret-prefix "tree " --alphabet alnum
  hashfinder find --zero-bits 20 --algorithm sha256 --secret-prefix challenge: --alphabet digits
  hashfinder find "do?tor" --wildcard "?" --count 3
  hashfinder find doctorwho --state search.state

Results go to stdout, everything else to stderr. Into a pipe or a file each result is one line:
distance, position, secret (base64) and hash, separated by tabs; then, in a search that is not the
default one of SHA-1 in base64, the secret as text, empty if it is not printable. With --json
each line is an object of type "result", "progress" (with --progress) or, the last one, "end", which
has the exit code, the reason and the position to resume from. Positions and other 64-bit numbers
come twice: as a number, and as text under the same name with _text, for programs that round
numbers above 2^53.

--local starts hashfinder-server for this command alone, on a unix socket that only you can reach,
and leaves nothing behind, however the command ends.

--shards and --shard cut the positions into ranges of --range-size, counted from --start-position,
and continue as --resume does. --shards returns the first match, as one server would; the position
that it reports on Ctrl-C is the one number to resume from. --shard is for processes that know
nothing of each other: the first of them to find has a match, not always the one of the lowest
position.

With --state, FILE is written every two seconds and at the end, and has the matches so far: a search
that has ended is printed again, not searched again. FILE of another search is refused.

{EPILOG}
"""
GIT_VANITY = f"""\
\b
Examples:
  hashfinder git-vanity c0ffee
  hashfinder git-vanity c0ffee --apply
  hashfinder git-vanity 0000 --check && git push
  hashfinder git-vanity cafe --anchor end --commit feature --repo ../other

What varies is an extra header of the commit, "nonce", or, where the message is long, a last line
of spaces and tabs. Signed commits are refused. --apply moves the branch only if it has not moved
meanwhile, and prints the command that moves it back. With --check, exit 0 if the id has PATTERN,
else 1.

{EPILOG}
"""
WHOLE = f"""\
\b
Examples:
  hashfinder find doctor --local
  hashfinder find doctor --server 127.0.0.1:50051 --timeout 60

COMMAND --help has more of each.

{EPILOG}
"""
ESTIMATE = f"""\
\b
Examples:
  hashfinder estimate doctor
  hashfinder estimate "do?tor" --wildcard "?" --json
  hashfinder estimate --zero-bits 40 --algorithm sha256 --alphabet digits

{EPILOG}
"""
HEALTH = f"""\
\b
Examples:
  hashfinder health
  hashfinder health --wait 30
  hashfinder health --service hash_name.HashFinder --timeout 1

{EPILOG}
"""
TOUR = f"""\
\b
Examples:
  hashfinder tour --server 127.0.0.1:50051
  hashfinder tour --local

{EPILOG}
"""
POW = f"""\
\b
Examples:
  hashfinder pow hashcash me@example.org --bits 20
  hashfinder pow nostr event.json --bits 20 >mined.json
  hashfinder pow bits --bits 26 --prefix challenge:
  hashfinder pow bits --hex-zeros 6 --trailing --algorithm sha1 --alphabet digits --length 12
  hashfinder pow check hashcash "$stamp" --resource me@example.org --bits 20

{EPILOG}
"""
HASHCASH = f"""\
\b
Examples:
  hashfinder pow hashcash me@example.org --bits 20
  hashfinder pow hashcash me@example.org --bits 20 --json
  hashfinder pow hashcash me@example.org --bits 28 --state stamp.state

Each run makes a new stamp, with a random part of its own. With --state, the same command continues
the stamp in FILE, and prints it again once it is found: use a new FILE for each stamp.

{EPILOG}
"""
NOSTR = f"""\
\b
Examples:
  hashfinder pow nostr event.json --bits 20 >mined.json
  hashfinder pow nostr event.json --bits 28 --state event.state >mined.json

{EPILOG}
"""
BITS = f"""\
\b
Examples:
  hashfinder pow bits --bits 26 --prefix challenge:
  hashfinder pow bits --hex-zeros 6 --trailing --algorithm sha1 --alphabet digits --length 12

The answer alone is printed, not the texts around it; with --json, an object with answer, message,
algorithm, digest_hex and zero_bits. For bytes that are not text, take find --zero-bits.

{EPILOG}
"""
CHECK = """\
\b
Examples:
  hashfinder pow check hashcash "$stamp" --resource me@example.org --bits 20
  hashfinder pow check nostr mined.json
  hashfinder pow check bits "$answer" --bits 26 --prefix challenge:

\b
Exit codes:
    0  it has the zero bits that it promises, and those that are asked for
    1  it has not
    2  wrong usage, or it is no such proof at all
"""
SEARCHES = f"""\
\b
Examples:
  hashfinder searches --server unix:/run/hashfinder/admin
  hashfinder searches --once --json --server 127.0.0.1:50053

The server is asked at its address for operators (--admin-listen). On a terminal the table refreshes
until Ctrl-C. Into a pipe or a file each search is one line: id, client, state, when it came,
hashes, hashes a second, share of the workers' time and name, separated by tabs.

{EPILOG}
"""
STOP = f"""\
\b
Examples:
  hashfinder stop 1f0a93bc --server unix:/run/hashfinder/admin
  hashfinder stop --client 192.0.2.7 --server unix:/run/hashfinder/admin

Each search ends with ABORTED and tells its client where to resume. The ids of those that were told
to stop are printed.

{EPILOG}
"""
