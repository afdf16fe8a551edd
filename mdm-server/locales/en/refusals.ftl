refusals-not-found = There is no such thing. Open it again from the list.
refusals-refused = As things stand this cannot be done. Nothing was changed.
refusals-storage = The server cannot read or write its storage. Nothing that was not acknowledged has changed. Check the disk and the log of the server.
