package api

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"hullbeam/store"
)

const (
	noteKey    = "audit_note"
	problemKey = "problem" // the code of the problem that was answered
)

// noted is what a handler says of what it is asked to do.
type noted struct{ action, target string }

// note says for the audit log what a request does, such as offer.send, and to whom or
// what. The target has neither secrets nor texts of visitors: topics go through
// auditTopic.
func note(c *gin.Context, action, target string) { c.Set(noteKey, noted{action, target}) }

// audited notes what an operator has changed, or has tried to, once it is answered. It
// stands before what lets operators in. Who was not let in is noted when their handler has
// said so, and who is for something else, refusalsNoted times a minute.
func (s *Server) audited(c *gin.Context) {
	if !isChange(c.Request.Method) {
		return
	}
	result := "internal" // when the handler panics
	defer func() { s.writeAudit(c, result) }()
	c.Next()
	result = cmp.Or(c.GetString(problemKey), "ok")
}

// refusalsNoted is how many entries of nobody, and of one operator who may not do what
// they ask for, a node writes in a minute: the log is not for who is not let in to fill.
const refusalsNoted = 60

func (s *Server) writeAudit(c *gin.Context, result string) {
	who := operatorOf(c)
	value, _ := c.Get(noteKey)
	said, isNoted := value.(noted)
	if who.label == "" && !isNoted {
		return
	}
	if who.label == "" || result == "forbidden" {
		if _, ok := s.refusals.allow(who.label, s.now()); !ok {
			return
		}
	}
	entry := store.AuditEntry{
		ConnectorID: cmp.Or(c.Param("connector"), who.connector), At: s.now().UTC().Truncate(time.Millisecond),
		Operator: who.label, Address: textOf(s.forwardedAddress(c)), RequestID: c.GetString(requestIDKey),
		Action: cmp.Or(said.action, c.Request.Method+" "+c.FullPath()), Target: said.target, Result: result,
	}
	if entry.ConnectorID != "" && !ValidConnectorID(entry.ConnectorID) {
		return // there is none of which it could be
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request.Context()), auditTimeout)
	defer cancel()
	if err := s.store.Audit(ctx, entry); err != nil {
		s.log.Error("what an operator did cannot be noted", "operator", entry.Operator, "action", entry.Action, "result", result,
			"request_id", entry.RequestID, "error", err)
	}
}

const auditTimeout = 5 * time.Second

// auditTopic is a topic as the log has it: its kind and a short hash, by which the same
// one is known again and which without the secret says nothing of who it is.
func (s *Server) auditTopic(topic string) string {
	kind, _, _ := strings.Cut(topic, ":")
	var key []byte
	if len(s.cfg.Secrets) > 0 {
		key = []byte(s.cfg.Secrets[0])
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("hullbeam audit\n" + topic))
	return kind + ":…" + hex.EncodeToString(mac.Sum(nil)[:4])
}

// auditVisitor is a visitor as the log has it, but not a text that is none.
func auditVisitor(visitor string) string {
	if !strings.HasPrefix(visitor, "v_") || !saneID(visitor) {
		return ""
	}
	return visitor
}

// auditItem is an entry as operators see it.
type auditItem struct {
	At        string `json:"at"`
	Operator  string `json:"operator"` // "": nobody was let in
	Address   string `json:"address"`
	RequestID string `json:"request_id"`
	Action    string `json:"action"`
	Target    string `json:"target"`
	Result    string `json:"result"`
}

// getAudit answers what operators have done to a connector, or what concerns none.
func (s *Server) getAudit(c *gin.Context) {
	limit, err := listLimit(c)
	if err != nil {
		s.fail(c, err)
		return
	}
	connectorID := c.Param("connector")
	if connectorID != "" && !ValidConnectorID(connectorID) {
		s.fail(c, newProblem("connector_unknown", "No connector has this id."))
		return
	}
	entries, next, err := s.store.AuditLog(c.Request.Context(), connectorID, c.Query("cursor"), limit)
	if err != nil {
		s.fail(c, err)
		return
	}
	items := make([]auditItem, len(entries))
	for i, e := range entries {
		items[i] = auditItem{e.At.UTC().Format(timeFormat), e.Operator, e.Address, e.RequestID, e.Action, e.Target, e.Result}
	}
	c.JSON(http.StatusOK, listing{items, next})
}
