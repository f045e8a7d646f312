"""Who searches when: admission, the fair queue, and the worker threads."""
