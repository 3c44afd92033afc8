"""What is said of a policy when somebody writes it: what is wrong with it, what is to be minded, what is filled in."""
