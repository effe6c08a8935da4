"""Whether this machine has what Episodes needs: the settings, what they lead to, and how to mend what is wrong."""
