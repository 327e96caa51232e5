perda = capture.read("capturas/perda")
retransmitido = 8
