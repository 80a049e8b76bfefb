echo "{\"event\":\"ready\",\"arg\":\"$1\"}"
