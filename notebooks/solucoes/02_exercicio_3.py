def porta_livre(porta):
    try:
        with socket.create_server(("127.0.0.1", porta)):
            return True
    except OSError:
        return False
