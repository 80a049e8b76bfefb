package send

// Way returns how the Sender sends.
func (s *Sender) Way() Way { return s.opts.Way }
