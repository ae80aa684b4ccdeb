"""The search for options: which are drawn, how time is divided among them, and what is kept."""
