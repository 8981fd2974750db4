package api

import (
	"net/http"
	"slices"

	"github.com/gin-gonic/gin"
)

// StreamPath is the path of event streams.
const StreamPath = "/api/v1/stream"

const healthPath = "/healthz"

// publicRoutes are those of browsers, of Hull, and of everybody.
func (s *Server) publicRoutes(r *gin.Engine) {
	v1 := r.Group("/api/v1", cors)
	v1.POST("/connectors/:connector/token", s.tracedPage, s.postToken)
	v1.OPTIONS("/connectors/:connector/token", preflight)
	v1.GET("/connectors/:connector/:script", s.getScript)
	v1.GET("/stream", s.tracedPage, s.getStream) // StreamPath
	v1.OPTIONS("/stream", preflight)
	v1.POST("/pages", s.postPage)
	v1.OPTIONS("/pages", preflight)
	v1.POST("/visitors/email", s.postEmail)
	v1.OPTIONS("/visitors/email", preflight)
	v1.POST("/offers/:offer/receipt", s.postReceipt)
	v1.OPTIONS("/offers/:offer/receipt", preflight)

	for _, path := range []string{"/ship.js", "/ship.d.ts", "/ship/:part"} {
		r.GET(path, s.getSnippet)
		r.HEAD(path, s.getSnippet)
	}

	r.POST("/smart-notifier", s.traced, s.postNotification)
	r.POST("/batch", s.traced, s.postBatch)
	r.GET("/status", s.anyStatus)
	r.POST("/status", s.anyStatus)
	r.GET("/manifest.json", s.getManifest)
	r.GET("/readme", getReadme)
	r.GET("/admin.html", s.getInstallPage)
	r.GET("/install/check", s.getInstallCheck)
	r.POST("/install/code", s.audited, s.postInstallCode)
	r.GET("/install/files/:file", s.getInstallFile)

	s.healthRoutes(r)
	r.GET("/openapi.yaml", getOpenAPI)
	r.GET("/llms.txt", getLLMs)
	for _, path := range []string{"/docs", "/docs/*page"} {
		r.GET(path, s.getDocs)
		r.HEAD(path, s.getDocs)
	}
	if s.cfg.Demo {
		r.GET("/demo/*file", s.getDemo)
		r.POST("/demo/*file", s.playDemo)
		r.DELETE("/demo/*file", s.playDemo)
	}
}

func (s *Server) healthRoutes(r *gin.Engine) {
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		r.Handle(method, healthPath, getHealth)
		r.Handle(method, "/readyz", s.getReady)
	}
}

// adminRoutes are those of operators.
func (s *Server) adminRoutes(r *gin.Engine) {
	r.GET("/metrics", s.machine, s.getMetrics)
	r.GET("/debug/pprof/*name", s.machine, getProfile)
	r.GET(adminPath, toAdmin)
	r.GET(adminPath+"/*file", s.getAdminPage)
	r.HEAD(adminPath+"/*file", s.getAdminPage)

	v1 := r.Group("/api/v1", s.audited)
	v1.POST("/session", s.postSession)
	v1.GET("/session", s.operator, s.getSession)
	v1.DELETE("/session", s.deleteSession)
	v1.GET("/audit", s.operator, s.ofAll, s.getAudit)
	v1.GET("/diagnosis", s.operator, s.ofAll, s.getDiagnosis)
	v1.GET("/connectors", s.operator, s.getConnectors)

	of := v1.Group("/connectors/:connector", s.operator, s.ofConnector)
	of.GET("", s.getConnector)
	of.PUT("", s.putConnector)
	of.DELETE("", s.deleteConnector)
	of.GET("/audit", s.getAudit)
	of.POST("/users", s.traced, s.postUsers)
	of.GET("/users/:topic", s.getUser)
	of.DELETE("/users/:topic", s.deleteUser)
	of.DELETE("/visitors/:visitor", s.deleteVisitor)
	of.DELETE("/streams", s.deleteStreams)
	of.POST("/offers", s.traced, s.postOffer)
	of.GET("/offers", s.getOffers)
	of.GET("/offers/:offer", s.getOffer)
	of.GET("/visitors", s.getVisitors)
	of.GET("/visitors/:visitor", s.getVisitor)
	of.GET("/visitors/:visitor/pages", s.getPages)
	of.GET("/visitors/:visitor/pages/summary", s.getPageSummary)
	of.GET("/live", s.getLive)
}

// Routes lists the routes of both handlers as "METHOD /path".
func (s *Server) Routes() []string {
	var routes []string
	for _, r := range append(s.public.Routes(), s.admin.Routes()...) {
		routes = append(routes, r.Method+" "+r.Path)
	}
	slices.Sort(routes)
	return slices.Compact(routes)
}
