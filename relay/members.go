package relay

import "fmt"

// up notes a new member.
func (c *Client) up(body []byte) error {
	a, err := ParseMember(body)
	if err != nil {
		return err
	}
	c.mu.Lock()
	_, known := c.members[a]
	full := len(c.members) >= c.cfg.Limits.Members
	if !known && !full && a != c.self {
		c.members[a] = struct{}{}
	}
	c.mu.Unlock()
	switch {
	case known, a == c.self: // the relay's UPs may cross its list
		return nil
	case full:
		return fmt.Errorf("%w: over %d members", ErrProtocol, c.cfg.Limits.Members)
	}
	c.cfg.Handler.Up(a)
	return nil
}

// down ends all sessions with a member, known or not, and forgets it.
func (c *Client) down(body []byte) error {
	a, err := ParseMember(body)
	if err != nil {
		return err
	}
	c.mu.Lock()
	_, known := c.members[a]
	delete(c.members, a)
	var ended []*Channel
	for key, ch := range c.sessions {
		if key.peer == a {
			ended = append(ended, ch)
			c.forget(ch)
		}
	}
	c.mu.Unlock()
	for _, ch := range ended {
		ch.end(&GoneError{Code: GoneAbsent, Local: true})
	}
	if known {
		c.cfg.Handler.Down(a)
	}
	return nil
}

// casted passes on a presence token. One of an address that is not up tells
// nothing, since nobody could be reached there (section 8).
func (c *Client) casted(body []byte) error {
	from, token, err := ParseCasted(body)
	if err != nil {
		return err
	}
	c.mu.Lock()
	_, known := c.members[from]
	c.mu.Unlock()
	if known {
		c.cfg.Handler.Casted(from, token)
	}
	return nil
}
