meu_endereco = lan_address()
