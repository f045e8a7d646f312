"""Which names can occur in the text of a hash."""

from hashfinder_rules.scheme import Scheme


def smallest_distance(name: str, scheme: Scheme) -> int:
    """Return the smallest distance that any hash can have from `name`.

    It is above 0 where the name has characters that cannot occur where they would have to.

    Args:
        name: 1 to `scheme.longest_name` characters.
        scheme: how hashes are written and compared.
    """
    wildcard, places = scheme.wildcard, scheme.places
    folded = list(enumerate(scheme.fold(name)))
    if wildcard:
        folded = [each for each, written in zip(folded, name, strict=True) if written != wildcard]
    smallest = len(name)
    for offset in scheme.offsets(len(name)):
        distance = sum([character not in places[offset + index] for index, character in folded])
        smallest = min(smallest, distance)
        if not smallest:  # mostly at the first offset
            break
    return smallest
