package stream

import "errors"

// DecodeMessage tells whether a message can be read, and what it is if so.
func DecodeMessage(text string) (any, error) {
	m, err := decodeMessage(text)
	if err != nil {
		return nil, err
	}
	switch {
	case m.update != nil:
		return *m.update, nil
	case m.loss != nil:
		return *m.loss, nil
	case m.lead != nil:
		return *m.lead, nil
	case m.told != nil:
		return m.told, nil
	}
	return nil, errors.New("a message without content")
}
