package mapping

import "chatbridge/source"

func rowOfText(s []byte) source.Row { return source.Row{{Kind: source.Text, Data: s}} }
