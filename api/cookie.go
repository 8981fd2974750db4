package api

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
)

// The names of the cookie of a session. Browsers keep one of the first name only when it
// came over https, from this host alone; the other is for this machine.
const (
	secureCookie = "__Host-hullbeam_session"
	plainCookie  = "hullbeam_session"
)

func (s *Server) cookieName(c *gin.Context) string {
	if s.isSecure(c) {
		return secureCookie
	}
	return plainCookie
}

// setCookie gives the client the cookie of a session for so long; a negative life takes
// it away.
func (s *Server) setCookie(c *gin.Context, value string, life time.Duration) {
	http.SetCookie(c.Writer, &http.Cookie{ // #nosec G124 -- without Secure on this machine alone: mayHaveCookie
		Name: s.cookieName(c), Value: value, Path: "/", MaxAge: int(life / time.Second),
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: s.isSecure(c),
	})
}

// mayHaveCookie tells whether a session may begin with this request: not for a page of
// somebody else, and not where others on the way could read the cookie.
func (s *Server) mayHaveCookie(c *gin.Context) error {
	if err := crossOrigin.Check(c.Request); err != nil {
		return errOtherPage
	}
	if !s.isSecure(c) && !isLoopback(c.Request.Host) {
		return newProblem("forbidden", "Sign in over https, or on this machine: others on the way could read what you send.")
	}
	return nil
}

// errOtherPage: a request with the cookie of a session is not from a page of our own.
var errOtherPage = newProblem("forbidden", "A page of another site, or of another address, has asked for this.")

var crossOrigin = http.NewCrossOriginProtection()

// ownPage tells whether a request to which a browser has added the cookie is from a page
// of our own. Beside what crossOrigin refuses, that is a change by a client that says
// nothing of where it is from, and a look by a page of another origin.
func ownPage(r *http.Request) error {
	site, looks := r.Header.Get("Sec-Fetch-Site"), r.Method == http.MethodGet || r.Method == http.MethodHead
	switch {
	case crossOrigin.Check(r) != nil,
		looks && site != "" && site != "same-origin" && site != "none",
		!looks && site != "same-origin" && (site != "" || r.Header.Get("Origin") == ""):
		return errOtherPage
	}
	return nil
}
