"""Processes that work together, one for each worker: started together, watched, started again. Knows no framework: a
family says what is started (`supervisor.Program`).
"""
