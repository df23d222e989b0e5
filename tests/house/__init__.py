"""The house rules, held by tests: floors, bans, measures, linters, dependencies, licences."""
