"""What housekeeping does, a file a task. A task may be done twice, and by two at once, without harm."""
