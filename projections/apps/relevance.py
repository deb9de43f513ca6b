"""How relevant an app is for the words of a search: where they are found, and what that counts."""

from collections.abc import Sequence

from domain.json_values import JsonObject
from projections.repositories import RepositoryRow

WEIGHTS = {"name": 4.0, "description": 1.5, "tags": 2.0}


def relevance(app: RepositoryRow, words: Sequence[str]) -> JsonObject | None:
    """Return it as clients see it, None where there are no words; lists are ordered by it."""
    if not words:
        return None
    tags = ["{key}:{value}".format_map(tag) for tag in app["tags"]]
    texts = {
        "name": app["name"],
        "description": app["description"],
        "tags": " ".join(tags),
    }
    components: JsonObject = {}
    score = 0.0
    for place, weight in WEIGHTS.items():
        text = texts[place].lower()
        hits = sum(word in text for word in words)
        of_place = hits * weight
        score += of_place
        components[place] = {"hits": hits, "weight": weight, "score": of_place}
    most = len(words) * sum(WEIGHTS.values())
    return {"score": score, "normalizedScore": score / most, "components": components}
