package hull

// Person is a user as operators see who it is. It is not what pages are shown: nothing is
// left out for not being public.
type Person struct {
	ID         string
	Name       string // name, or first_name and last_name
	Email      string // email, else contact_email
	ExternalID string
	Segments   []string // the names of the users segments, in their order
}

// Person returns who m's user is. names say what segments are called by now; of one that
// they do not have the name is that of m.
func (m *Message) Person(names Segments) Person {
	p := Person{
		ID:         m.UserID,
		Name:       textOrNone(member(m.User, "name")),
		Email:      textOrNone(m.user.email),
		ExternalID: textOrNone(m.user.externalID),
	}
	if p.Email == "" {
		p.Email = textOrNone(m.user.contactEmail)
	}
	if p.Name == "" {
		p.Name = joinNames(textOrNone(member(m.User, "first_name")), textOrNone(member(m.User, "last_name")))
	}
	for segment := range elements(m.Segments) {
		name := textOrNone(member(segment, "name"))
		if known := names[textOrNone(member(segment, "id"))]; known.Name != "" {
			name = known.Name
		}
		if name != "" {
			p.Segments = append(p.Segments, name)
		}
	}
	return p
}

func joinNames(first, last string) string {
	if first == "" || last == "" {
		return first + last
	}
	return first + " " + last
}
