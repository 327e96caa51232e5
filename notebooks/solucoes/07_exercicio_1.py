def alcance(host):
    if host == "localhost" or host.startswith("127."):
        return "só esta máquina"
    return "a rede"
