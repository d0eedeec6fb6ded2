"""The commands: each file has the verbs of one name, parses, calls another room and prints.

main.py puts `fieldstack` together, for people at a terminal; entry.py calls it. rt.py, nonrt.py, core.py and
health.py are the other programs: systemd's units start them.
"""
