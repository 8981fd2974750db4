// Package heroku has no code: its test runs what the Procfile at the root of the project
// says, with the variables of app.json, as Heroku does.
package heroku
