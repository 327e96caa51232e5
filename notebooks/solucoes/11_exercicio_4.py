def fechou_primeiro(segmentos):
    for s in segmentos:
        if "FIN" in s.flags:
            return s.sender
    return None
