"""`zoo serve`: a page on this machine that runs networks on what is dropped on it.

limits    how much of everything
guard     who may ask: the machine's own browser, with the token
store     what was dropped, and what became of it, in a folder of the session
worker    the one thread that computes
networks  what may be chosen, and how long it takes
tasks     a run, an evaluation
routes    what can be asked
server    the socket, time limits of connections, the way out
"""
