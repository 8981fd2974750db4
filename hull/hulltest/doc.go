// Package hulltest is a pretend Hull: it signs notifications, serves the key
// they are signed with, answers the calls of the REST API that Hullbeam makes, and
// sends what Hull would send when somebody changes its users, segments and settings.
// Tests use it, and so do `hullbeam notify` and development mode, which runs one, so
// it depends on no package for testing.
package hulltest
