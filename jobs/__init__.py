"""What must be done without anybody asking. A job is one ``run_once(services)``; ``runner`` calls it again and again.

Any number of processes may run them: each piece of work is claimed in the database by a conditional UPDATE.
"""
