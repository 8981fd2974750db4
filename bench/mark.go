package bench

import "bytes"

// mark is what the load generator puts into every payload, to know it again:
// which run of messages it is of, whose it is, and the how manieth. As text it
// is HB~eeeeeeee~iiiiiiii~ssssssss~ in hexadecimal digits, which neither JSON nor
// a URL changes.
type mark struct{ epoch, topic, seq uint32 }

const markLength = 3 + 3*9

var markStart = []byte("HB~")

func (m mark) append(b []byte) []byte {
	b = append(b, markStart...)
	for _, n := range []uint32{m.epoch, m.topic, m.seq} {
		for shift := 28; shift >= 0; shift -= 4 {
			b = append(b, "0123456789abcdef"[n>>shift&15])
		}
		b = append(b, '~')
	}
	return b
}

// appendPadded appends the mark and fills up to size bytes.
func (m mark) appendPadded(b []byte, size int) []byte {
	b = m.append(b)
	for range size - markLength {
		b = append(b, 'x')
	}
	return b
}

// findMark finds the mark in an event's data.
func findMark(data []byte) (m mark, ok bool) {
	i := bytes.Index(data, markStart)
	if i < 0 || len(data)-i < markLength {
		return mark{}, false
	}
	data = data[i+len(markStart):]
	for _, n := range []*uint32{&m.epoch, &m.topic, &m.seq} {
		for _, c := range data[:8] {
			d := unhex(c)
			if d < 0 {
				return mark{}, false
			}
			*n = *n<<4 | uint32(d)
		}
		if data[8] != '~' {
			return mark{}, false
		}
		data = data[9:]
	}
	return m, true
}
