"""Schedules: functions from loop IR to loop IR that change the order of work, each checked against the dependences."""
