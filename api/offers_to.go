package api

import (
	"fmt"
	"slices"

	"hullbeam/hull"
)

// offerTo is whom an offer is for: one of these.
type offerTo struct {
	Visitor string `json:"visitor,omitempty"`
	Topic   string `json:"topic,omitempty"`   // as hull.Topic writes it
	Segment string `json:"segment,omitempty"` // its name
	Page    string `json:"page,omitempty"`    // a glob
	All     bool   `json:"all,omitempty"`
}

// canonical checks that the offer is for one of them, and has the topic as streams
// have it.
func (to offerTo) canonical() (offerTo, error) {
	wrong := newProblem("invalid_request", "An offer is for one of visitor, topic, segment, page and all.")
	named := 0
	for _, is := range []bool{to.Visitor != "", to.Topic != "", to.Segment != "", to.Page != "", to.All} {
		if is {
			named++
		}
	}
	switch {
	case named != 1:
		return to, wrong.at("/to", fmt.Sprintf("names %d", named))
	case len(to.Visitor) > maxViewID:
		return to, wrong.at("/to/visitor", "is no visitor's id")
	case len(to.Segment) > maxItemText:
		return to, wrong.at("/to/segment", fmt.Sprintf("is at most %d bytes", maxItemText))
	}
	if to.Topic != "" {
		topic, err := hull.ParseTopic(to.Topic)
		if err != nil {
			return to, wrong.at("/to/topic", err.Error())
		}
		to.Topic = topic.String()
	}
	if to.Page != "" {
		if _, err := parseGlob(to.Page); err != nil {
			return to, wrong.at("/to/page", err.Error())
		}
	}
	return to, nil
}

// auditOf is whom an offer is for, as the audit log has it.
func (s *Server) auditOf(to offerTo) string {
	switch {
	case to.Topic != "":
		topic, _ := hull.ParseTopic(to.Topic) // canonical has seen it
		return s.auditTopic(topic.String())
	case to.Segment != "":
		return "segment:" + cut(to.Segment, maxRow)
	case to.Page != "":
		return "page:" + cut(to.Page, maxRow)
	}
	if to.All {
		return "all"
	}
	return auditVisitor(to.Visitor)
}

// about is whom it names, if a person.
func (to offerTo) about() []string {
	return slices.DeleteFunc([]string{to.Visitor, to.Topic}, func(name string) bool { return name == "" })
}

// isMass tells an offer that is for whoever comes from one to somebody whom it names.
func (to offerTo) isMass() bool { return to.Visitor == "" && to.Topic == "" }
