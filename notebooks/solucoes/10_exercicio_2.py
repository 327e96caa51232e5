import errno


def causa(erro):
    if isinstance(erro, ConnectionRefusedError):
        return "recusada"
    if isinstance(erro, TimeoutError):
        return "prazo"
    if isinstance(erro, ConnectionError):  # corte, cano quebrado, conexão abortada
        return "reset"
    if isinstance(erro, socket.gaierror):
        return "nome"
    if isinstance(erro, OSError) and erro.errno == errno.EADDRINUSE:
        return "em uso"
    return "outra"
