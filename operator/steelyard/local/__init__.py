"""The local runner: a job's stages as processes of this machine. Imports planning and the api.

`job` says where a job lies, `decisions` what there is to do, `runner` does it through `processes` and `follower`, and
`state` remembers what was done. It prints nothing: whoever runs a job is told by the contract's `events`.
"""
