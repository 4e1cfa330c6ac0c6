"""Why an image does not run under the restricted Pod Security level, or at all, and what to do: by what the kubelet, or
the program in it, says. Standard library only.
"""

import re

_WAYS_OUT: tuple[tuple[str, str], ...] = (
    (
        r"ErrImagePull|ImagePullBackOff|InvalidImageName|ErrImageNeverPull",
        "does spec.model.container.image name an image that is there, and may this namespace have it "
        "(spec.template.imagePullSecrets)?",
    ),
    (
        r"runAsNonRoot|non-numeric user",
        "pods run without root: give its processes a user's number, spec.template.securityContext.runAsUser, or build "
        "the image with one (USER 1000)",
    ),
    (
        r"[Rr]ead-only file system|EROFS|\[Errno 30\]",
        "its root file system is read-only: have it write to /tmp or the folders of docs/container-contract.md, or "
        "give it a folder by spec.template.volumes: {mountPath: /FOLDER, source: {emptyDir: {}}}",
    ),
    (
        r"failed to prepare subPath",
        "the kubelet must get through the workspace's folders to those that it mounts: chmod o+x on them, where it is "
        "root, or on an NFS export with root_squash nobody (docs/container-contract.md)",
    ),
    (
        r"[Pp]ermission denied|EACCES|\[Errno 13\]",
        "it runs as a user of no rights, not as root: make its files readable for everybody, name the user that they "
        "belong to by spec.template.securityContext.runAsUser, or give it a folder to write to by "
        "spec.template.volumes: {mountPath: /FOLDER, source: {emptyDir: {}}}",
    ),
    (
        r"executable file not found|exec: .*no such file|exec format error",
        "the image has no such program, or one for other processors: see spec.model.container.command",
    ),
)


def ways_out(text: str) -> str:
    """What to do about what a text says; empty where that is nothing of these."""
    return next((way for pattern, way in _WAYS_OUT if re.search(pattern, text)), "")


def with_ways_out(text: str) -> str:
    """The text, and what to do about it."""
    return f"{text}; {way}" if (way := ways_out(text)) else text
