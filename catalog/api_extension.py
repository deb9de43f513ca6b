"""What the catalog adds to the API: its routes, its messages' shapes, its words in OpenAPI."""

from collections.abc import Mapping

from api.extension import Extension
from api.reference import OpenApiTexts
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
    "dockerfilePath": "the path of the Dockerfile in the repository",
    "tags": "the app's tags",
    "ingestStatus": "the state of the ingestion",
    "ingestError": "why the ingestion failed; null if it did not",
    "ingestAttempts": "the number of attempts of all ingestions",
    "latestBuild": "the newest build; null before the first",
    "latestLaunch": "always null: apps are launched elsewhere",
    "previewTiles": "pictures and texts that show the app",
    "launchEnvTemplates": "variables that the app expects at its launch",
    "repositoryId": "the app's id",
    "imageTag": "the image's name; null before it is built",
    "imageDigest": "the image's digest; null before it is built",
    "commitSha": "the commit; null before it is known",
    "gitBranch": "the branch that was requested, or that the commit is on",
    "gitRef": "the tag or commit that was requested",
    "branch": "a branch to build",
    "ref": "a tag or commit to build",
    "logs": "the whole log",
    "size": "the log's size in bytes",
    "logsPreview": "the end of the log",
    "logsTruncated": "whether the log is longer than its preview",
    "hasLogs": "whether the log has any output",
    "logsSize": "the log's size in bytes",
    "jobRunId": "the run that executes it",
    "facets": "counts of the matching apps by status and tag",
    "statuses": "counts by ingestion status",
    "owners": "counts by the tag `owner`",
    "frameworks": "counts by the tag `framework`",
    "sort": "the order of the page",
    "weights": "the weight of each field",
    "hits": "how many of the words occur in the field",
    "weight": "the weight of the field",
    "score": "how well it matches the words",
    "components": "the score of each field",
    "label": "the text to show",
    "metadataStrategy": "`auto`: the repository's name, description and tags replace the author's;"
    " `explicit`: they do not",
    "AppBody.id": "unique; without / ? # and control characters",
    "AppShape.id": "the app's id, as given by its author",
    "CountedPageMeta.limit": "the most entries of a page; null: all",
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
    openapi_texts=OpenApiTexts(
        operations=OPERATIONS, parameters=PARAMETERS, fields=FIELDS, examples=EXAMPLES
    ),
    start=routes.CatalogPart.of,
)
