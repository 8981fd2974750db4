// Package shiptest has the tests of the page snippet, static/ship, and of the documents'
// pages in a real Chromium before a real hullbeam in development mode, whose pretend Hull
// they play. It has no code of its own, and knows of hullbeam what is in its protocol.
package shiptest
