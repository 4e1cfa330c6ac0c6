"""The local runner of searches: trials as processes of this machine. Imports tuning, planning, the api and local.

`job` says where a search lies, `state` what is remembered of it between two runs, `suggestions` finds the values of the
next trial, `trial` and `pack` answer in processes, and `runner` does one after the other until the search is over and
its best model is published.
"""
