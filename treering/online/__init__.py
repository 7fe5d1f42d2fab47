"""A run and a server: bringing runs to one while they go on or afterwards, and taking one over from it.

`delivery` is what both sides agree on, `client` the calls, `credentials` the keys; `replica` brings one run,
`uploading` does so while it is recorded, `syncing` afterwards, `pulling` the other way. A run is always recorded on its
machine first; nothing here is imported unless a server is named.
"""
