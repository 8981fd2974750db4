package streamtest

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"hullbeam/stream"
)

func newEvent(f stream.Fields) *stream.Event {
	e, err := stream.NewEvent(f)
	if err != nil {
		panic(err)
	}
	return e
}

func greeting(data string) *stream.Event {
	return newEvent(stream.Fields{Type: "room.joined", Data: []byte(data), Retry: 1234 * time.Millisecond})
}

func greeted(data string) Event { return Event{"room.joined", data, "", 1234} }

// update is the data of a user.update and where in it the names stand.
func update(user string, version uint64, signed bool, names ...string) (data []byte, start, end int) {
	data = fmt.Appendf(nil, `{"user":%q,"version":%d,"signed":%t,"events":[`, user, version, signed)
	start = len(data)
	list, _ := json.Marshal(append([]string{}, names...))
	data = append(data, list[1:len(list)-1]...)
	return append(data, "]}"...), start, len(data)
}

// shown is a state of user that pages show, published to topics.
func shown(user string, version uint64, topics string, names ...string) *stream.Publication {
	event := func(signed bool) *stream.Event {
		data, start, end := update(user, version, signed, names...)
		return newEvent(stream.Fields{
			Type: "user.update", Data: data, ID: stream.ID{Version: version, Tag: user},
			NamesStart: start, NamesEnd: end, Effect: stream.Shows,
		})
	}
	return &stream.Publication{
		User: user, Version: version, Topics: strings.Fields(topics), Unsigned: event(false), Signed: event(true),
	}
}

// wantShown is shown as a page gets it whose topic is not signed.
func wantShown(user string, version uint64, names ...string) Event {
	data, _, _ := update(user, version, false, names...)
	return Event{"user.update", string(data), stream.ID{Version: version, Tag: user}.String(), -1}
}

// hidden tells a page not to show user; version 0: as a farewell.
func hidden(user string, version uint64) *stream.Event {
	f := stream.Fields{Type: "user.private", Data: []byte(user), Effect: stream.Hides}
	if version > 0 {
		f.ID = stream.ID{Version: version, Tag: user}
	}
	return newEvent(f)
}

func hides(user string, version uint64, topics string) *stream.Publication {
	e := hidden(user, version)
	return &stream.Publication{User: user, Version: version, Topics: strings.Fields(topics), Unsigned: e, Signed: e}
}

func wantHidden(user string, version uint64) Event {
	return Event{"user.private", user, stream.ID{Version: version, Tag: user}.String(), -1}
}

// wantFarewell is Farewell, which has no id and so leaves the one before.
func wantFarewell(user string, version uint64, tag string) Event {
	return Event{"user.private", user, stream.ID{Version: version, Tag: tag}.String(), -1}
}

// offer is an event that is not conflated, of about size bytes.
func offer(i, size int) *stream.Event {
	return newEvent(stream.Fields{Type: "offer", Data: fmt.Appendf(nil, `{"id":"%d","data":"%s"}`, i, pad[:size]), ID: stream.ID{Version: uint64(i + 1), Tag: "o"}})
}

func wantOffer(i, size int) Event {
	return Event{"offer", fmt.Sprintf(`{"id":"%d","data":"%s"}`, i, pad[:size]), fmt.Sprintf("%d-o", i+1), -1}
}

var pad = strings.Repeat("p", 60_000)

// big is a state of user of about 60 KB.
func big(user string, version uint64, topic string) *stream.Publication {
	data := fmt.Appendf(nil, `{"user":%q,"version":%d,"pad":"%s"}`, user, version, pad)
	e := newEvent(stream.Fields{Type: "user.update", Data: data, ID: stream.ID{Version: version, Tag: user}, Effect: stream.Shows})
	return &stream.Publication{User: user, Version: version, Topics: []string{topic}, Unsigned: e, Signed: e}
}
