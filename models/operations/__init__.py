"""What an operator looks at and turns: which processes run, how everything stands, how much the logs say."""
