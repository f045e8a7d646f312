"""``GET /find/NAME``: a search as lines of JSON, for curl and jq."""
