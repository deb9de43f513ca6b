"""What the catalog adds to the API: its routes, its messages' shapes, its words in OpenAPI."""

from collections.abc import Mapping

from api.extension import Extension
from api.reference import Words
from catalog import routes
from catalog.shapes import AppShape, BuildShape, IngestionEvent
from domain.json_values import JsonObject

OPERATIONS = {
    "GET /apps": "listApps",
    "POST /apps": "addApp",
    "GET /apps/{app_id}": "getApp",
    "GET /apps/{app_id}/history": "listAppHistory",
    "POST /apps/{app_id}/retry": "retryIngestion",
    "GET /apps/{app_id}/builds": "listBuilds",
    "POST /apps/{app_id}/builds": "requestBuild",
    "GET /builds/{build_id}/logs": "getBuildLogs",
    "POST /builds/{build_id}/retry": "retryBuild",
    "GET /tags/suggest": "suggestTags",
}

PARAMETERS = {"app_id": "an app's id", "build_id": "a build's id"}

FIELDS = {
    "repoUrl": "where the repository is: an absolute path, or a URL of git, ssh, http(s) or file",
    "dockerfilePath": "the Dockerfile in the repository",
    "tags": "by which the app is found",
    "ingestStatus": "how the reading of the repository stands",
    "ingestError": "why it could not be read; null where it could",
    "ingestAttempts": "how often it was read or tried",
    "latestBuild": "the newest build; null before the first",
    "latestLaunch": "always null: apps are launched elsewhere",
    "previewTiles": "pictures and texts that show the app",
    "launchEnvTemplates": "variables that the app wants to be launched with",
    "repositoryId": "the app's id",
    "imageTag": "the image's name; null before it is built",
    "imageDigest": "the image's digest; null before it is built",
    "commitSha": "the commit; null before it is known",
    "gitBranch": "the branch that was requested, or that the commit is on",
    "gitRef": "the tag or commit that was requested",
    "branch": "a branch to build",
    "ref": "a tag or commit to build",
    "logs": "all that it printed",
    "size": "bytes of it",
    "logsPreview": "the end of what it printed",
    "logsTruncated": "whether more was printed than that",
    "hasLogs": "whether it printed anything",
    "logsSize": "bytes that it printed",
    "jobRunId": "the run that does, or did, the work",
    "facets": "how many of the matching apps have what",
    "statuses": "by ingestion status",
    "owners": "by the tag `owner`",
    "frameworks": "by the tag `framework`",
    "sort": "how the page is ordered",
    "weights": "how much each field counts",
    "hits": "how often the words stand there",
    "weight": "how much the field counts",
    "score": "how well it fits the words",
    "components": "what the score consists of",
    "label": "as it is shown",
    "metadataStrategy": "`auto`: the repository's words replace the author's; `explicit`: not",
    "AppBody.id": "unique; without / ? # and control characters",
    "AppShape.id": "as it was added",
    "CountedPageMeta.limit": "how many entries a page has at most; null: all",
    "BuildLog.id": "the build's id",
}

EXAMPLES: Mapping[str, JsonObject] = {
    "addApp": {
        "id": "shop",
        "name": "Shop",
        "description": "What customers see",
        "repoUrl": "https://github.com/example/shop.git",
        "dockerfilePath": "docker/Dockerfile",
        "tags": [{"key": "team", "value": "sales"}],
        "metadataStrategy": "auto",
    },
    "requestBuild": {"branch": "main"},
}

EXTENSION = Extension(
    name=routes.NAME,
    routers=(routes.lists_router, routes.router, routes.builds_router),
    shapes={
        "repository.updated": ("repository", AppShape),
        "repository.ingestion-event": ("event", IngestionEvent),
        "build": ("build", BuildShape),
    },
    words=Words(operations=OPERATIONS, parameters=PARAMETERS, fields=FIELDS, examples=EXAMPLES),
    start=routes.CatalogPart.of,
)
