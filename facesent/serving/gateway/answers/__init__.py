"""The log of answers: a row an answer, and the corrections of people, in a database that commands read too."""
