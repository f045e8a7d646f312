"""Who may do what: the policy, the tokens, and the files that they come from, followed."""
