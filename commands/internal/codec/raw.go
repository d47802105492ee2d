package codec

// EncodeRaw is Encode for a Raw, with no more memory than that of the copy.
func EncodeRaw(raw Raw) ([]byte, error) {
	w := writer{out: make([]byte, 0, max(len(raw), 1))}
	if err := w.raw(raw); err != nil {
		return nil, err
	}
	return w.out, nil
}
