"""The commands: each file has the verbs of one name, parses, calls another room and prints.

main.py puts `fieldstack` together; entry.py, rt.py, nonrt.py, core.py and health.py are the other programs.
"""
