"""One file per policy, each a pure function of what is observed and of the time. Imports the api, planning and the
controller's observation only."""
