"""The operations console: who its operators are, how they sign in, what they did, what needs two of them.

Nothing here moves a state: an action is a call of the service that the terminal and the jobs call as well.
"""
