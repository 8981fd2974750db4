// Package hulltest is a pretend Hull: it signs notifications, serves the key
// they are signed with, and answers the calls of the REST API that Hullbeam makes.
// Tests use it, and so do `hullbeam notify` and the demonstration of development
// mode, so it depends on no package for testing.
package hulltest
