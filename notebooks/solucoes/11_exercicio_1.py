retransmitido = 8
