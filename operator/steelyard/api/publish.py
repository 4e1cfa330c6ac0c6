"""`spec.publish`: where the model goes. Imports the api only."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from steelyard.api.base import Part, refuse
from steelyard.api.place_fields import check_place
from steelyard.api.places import TARGET_FORMS, has_other_scheme


class PublishTarget(Part):
    """A place that the model is published to."""

    uri: Annotated[str, Field(min_length=1, max_length=2048)]
    """pvc://CLAIM/PATH, a folder on a claim (PersistentVolumeClaim) of the job's namespace, which a local run maps to a
    folder; or, locally only, file:PATH or a path, relative to the manifest's folder. The folder is complete or absent;
    a model of before is replaced."""

    @model_validator(mode="after")
    def _is_known(self) -> Self:
        if not self.uri.isprintable():
            raise refuse("uri", "{uri} is not a place: it holds characters that can't be printed", uri=repr(self.uri))
        if self.uri.partition("/")[0] in ("~", "file:~"):
            raise refuse("uri", "{uri}: ~ is a shell's word; write the whole path", uri=self.uri)
        check_place("uri", self.uri)
        if has_other_scheme(self.uri):
            raise refuse(
                "uri",
                "'{uri}' is not a place that is published to here; allowed: {allowed}",
                uri=self.uri,
                allowed=TARGET_FORMS,
            )
        return self
