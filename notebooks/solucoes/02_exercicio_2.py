meu_socket = socket.create_server(("127.0.0.1", 0))
minha_porta = meu_socket.getsockname()[1]
