"""German customers."""

from bank_simulator.messages.languages.base import Language, listed, phrases_of

__all__ = ["GERMAN"]

TOPICS = """
# card_lost
- karte verloren, bitte sperren
- karte in {city} gestohlen
- finde meine karte mit {digits} nicht mehr
. Ich habe am {date} in {city} meine Karte mit den Endziffern {digits} verloren.
. Mir wurde am {date} der Geldbeutel gestohlen, und meine Bankkarte war darin.
. Ich finde meine Karte nicht mehr; zuletzt habe ich sie bei {merchant} benutzt.
? Bitte sperren Sie die Karte und schicken Sie mir eine neue.
? Können Sie die Karte sofort sperren?
# card_declined
- karte bei {merchant} abgelehnt
- zahlung von {amount} ging nicht durch
- karte geht wieder nicht, genug geld ist drauf
. Meine Karte wurde bei {merchant} abgelehnt, obwohl genug Geld auf dem Konto ist.
. Am {date} konnte ich bei {merchant} {amount} nicht zahlen, das Terminal nahm die Karte nicht.
. Die Zahlung von {amount} ging nicht durch, und bei {merchant} hieß es, die Bank habe sie gesperrt.
? Warum wurde die Zahlung abgelehnt?
? Bitte sorgen Sie dafür, dass die Karte wieder geht.
# pin
- pin vergessen
- pin 3x falsch, karte gesperrt
- brauche neue pin
. Ich habe die PIN meiner Karte mit den Endziffern {digits} vergessen.
. Ich habe am Automaten dreimal die falsche PIN eingegeben, und jetzt ist alles gesperrt.
. Der Brief mit der PIN für meine neue Karte ist nicht gekommen.
? Kann ich eine neue PIN bekommen?
? Wie kann ich mir eine eigene PIN aussuchen?
# card_delivery
- wo bleibt meine neue karte
- neue karte noch nicht da
- karte läuft ab, keine neue da
. Meine Karte läuft diesen Monat ab, und die neue ist noch nicht da.
. Sie haben mir am {date} gesagt, die neue Karte sei unterwegs, aber in der Post war nichts.
. Ich bin nach {city} gezogen und fürchte, dass die neue Karte an die alte Adresse ging.
? Wann kommt die Karte?
? Können Sie nachsehen, wohin sie geschickt wurde?
# card_abroad
- geht meine karte in {city}
- karte im ausland geht nicht
- gebühr von {amount} im ausland
. Wir fahren in den Urlaub nach {city}, und ich möchte sicher sein, dass ich dort mit Karte zahlen kann.
. Ich bin gerade auf Reisen, und der Automat in {city} nimmt meine Karte nicht.
. Sie haben mir für die Karte im Ausland eine Gebühr von {amount} berechnet.
? Muss ich die Karte für andere Länder freischalten?
? Welche Gebühren zahle ich im Ausland?
# card_limit
- kartenlimit erhöhen
- limit zu niedrig für {amount}
- wie hoch ist mein limit
. Ich muss bei {merchant} {amount} zahlen, und das Limit meiner Karte ist zu niedrig.
. Das Limit meiner Kreditkarte wurde am {date} ohne ein Wort gekürzt.
. Ich hätte gern für einen Monat ein höheres Limit.
? Bitte erhöhen Sie das Limit.
? Was brauchen Sie von mir für ein höheres Limit?
# charged_twice
- von {merchant} doppelt abgebucht
- {amount} 2x abgebucht
. {merchant} hat mir {amount} zweimal berechnet.
. Auf dem Kontoauszug steht die Zahlung von {amount} an {merchant} vom {date} doppelt.
. Ich habe {amount} einmal bezahlt, aber das Geld wurde zweimal vom Konto abgebucht.
? Bitte erstatten Sie eine der beiden.
? Können Sie den zweiten Betrag zurückholen?
# transfer_missing
- überweisung von {amount} nicht angekommen
- zahlung ging nicht durch, wo ist mein geld
- {amount} am {date} geschickt, nichts da
. Ich habe am {date} {amount} an {person} überwiesen, und das Geld ist nicht angekommen.
. Eine Überweisung von {amount} ist vom Konto weg, aber {person} sagt, es sei nichts gekommen.
. Mein Arbeitgeber hat das Gehalt am {date} gezahlt, und es ist noch nicht auf meinem Konto.
? Wo ist das Geld?
? Bitte finden Sie heraus, was mit der Überweisung geschehen ist.
# direct_debit
- lastschrift {merchant} zurückgegangen
- abbuchung von {merchant} stoppen
- {merchant} hat {amount} abgebucht
. {merchant} hat {amount} per Lastschrift eingezogen, obwohl ich den Vertrag gekündigt habe.
. Eine Lastschrift von {merchant} ging am {date} zurück, obwohl genug Geld auf dem Konto war.
. Ich habe {merchant} kein Mandat gegeben, und trotzdem wurden am {date} {amount} abgebucht.
? Bitte geben Sie die Lastschrift zurück.
? Wie kann ich Abbuchungen dieser Firma sperren?
# standing_order
- dauerauftrag miete ändern
- dauerauftrag nicht ausgeführt
- dauerauftrag über {amount} stoppen
. Mein Dauerauftrag für die Miete wurde am {date} nicht ausgeführt.
. Mein Dauerauftrag soll ab jetzt {amount} betragen.
. Der Dauerauftrag an {person} wurde ausgeführt, obwohl ich ihn in der App gelöscht hatte.
? Bitte ändern Sie den Dauerauftrag.
? Können Sie mir sagen, warum er nicht ausgeführt wurde?
# wrong_recipient
- geld an falsches konto
- falsche iban, brauche {amount} zurück
- überweisung an falsche person
. Ich habe mich bei der IBAN vertippt und {amount} an jemanden geschickt, den ich nicht kenne.
. Am {date} habe ich {amount} an die falsche Person namens {person} überwiesen.
. Die Überweisung von {amount} ging an ein altes Konto von {person}, das aufgelöst ist.
? Können Sie das Geld zurückrufen?
? Wie bekomme ich mein Geld zurück?
# foreign_transfer
- swift gebühr zu hoch
- wie lange dauert überweisung nach {city}
. Ich möchte {amount} auf ein Konto in {city} überweisen und muss die Gebühren kennen.
. Die Auslandsüberweisung vom {date} kam mit {amount} weniger an, als ich geschickt habe.
. Für eine Zahlung aus einem anderen Land fragt man mich nach BIC und Anschrift der Bank.
? Wie lange dauert eine Überweisung ins Ausland?
? Welchen Wechselkurs nehmen Sie?
# refund
- erstattung von {merchant} nicht da
- wo bleibt meine gutschrift von {amount}
. Ich habe bei {merchant} etwas zurückgegeben, und die {amount} sind nicht auf meinem Konto.
. {merchant} sagt, die Gutschrift sei am {date} erfolgt, aber ich sehe sie nicht.
. Die Reise, die ich mit Karte bezahlt habe, fiel aus, und die {amount} sind nicht zurückgekommen.
? Wann wird die Erstattung gebucht?
? Können Sie sehen, ob das Geld unterwegs ist?
# statement
- brauche kontoauszüge
- kontoauszug fehlt
- kein auszug diesen monat
. Ich brauche die Kontoauszüge des letzten Jahres für das Amt.
. Der Kontoauszug dieses Monats ist nicht im Postfach.
. Der Saldo auf dem Kontoauszug stimmt nicht mit dem in der App überein.
? Bitte schicken Sie mir den Auszug auf Papier.
? Wo finde ich ältere Auszüge?
# address
- neue adresse
- bin nach {city} gezogen
- neuer name nach hochzeit
. Ich bin nach {city} gezogen, und meine Adresse muss geändert werden.
. Ich habe am {date} geheiratet und heiße jetzt anders.
. Meine Telefonnummer und meine E-Mail-Adresse haben sich geändert.
? Bitte ändern Sie meine Daten.
? Welche Unterlagen brauchen Sie?
# tax_certificate
- steuerbescheinigung bitte
- brauche steuerunterlagen vom letzten jahr
- freistellungsauftrag
. Ich brauche die Steuerbescheinigung des letzten Jahres für meine Steuererklärung.
. Mein Steuerberater fragt nach der Bescheinigung über Zinsen und Kapitalerträge.
. Sie haben {amount} Steuer einbehalten, obwohl ich einen Freistellungsauftrag gestellt habe.
? Wann wird die Bescheinigung verschickt?
? Bitte schicken Sie mir die Bescheinigung noch einmal.
# close_account
- konto kündigen
- wie kündige ich das konto
. Ich möchte mein Konto zum Ende des Monats kündigen.
. Meine Mutter ist am {date} gestorben, und ihr Konto muss aufgelöst werden.
. Ich wechsle zu einer anderen Bank und brauche mein Konto bei Ihnen nicht mehr.
? Bitte bestätigen Sie mir die Kündigung.
? Was geschieht mit dem Geld, das noch darauf ist?
# new_account
- konto für meinen sohn eröffnen
- gemeinschaftskonto möglich
- zweites konto zum sparen
. Ich möchte für meine Tochter ein Sparkonto eröffnen.
. Meine Frau und ich möchten ein gemeinsames Konto.
. Ich habe am {date} ein Konto beantragt und seither nichts gehört.
? Welche Unterlagen brauchen wir dafür?
? Wie lange dauert das?
# fees
- warum {amount} gebühr
- kontogebühr zu hoch
. Sie haben mir am {date} {amount} Kontogebühren berechnet.
. Nach Ihrer neuen Preisliste soll mein Konto {amount} kosten.
. Mir wurde gesagt, Konto und Karte seien kostenlos, und jetzt gibt es eine Gebühr.
? Bitte erklären Sie mir, wofür die Gebühr ist.
? Ich will die Gebühr zurück.
# login
- kann mich nicht einloggen
- passwort wird nicht angenommen
- aus dem online banking ausgesperrt
. Ich kann mich im Online-Banking nicht mehr anmelden, mein Passwort wird nicht angenommen.
. Seit dem {date} ist mein Zugang nach drei Versuchen gesperrt.
. Ich habe meinen Benutzernamen für das Online-Banking vergessen.
? Bitte schalten Sie meinen Zugang frei.
? Wie setze ich das Passwort zurück?
# app_crash
- app stürzt dauernd ab
- app geht nach update nicht auf
- fehler in der app beim zahlen
. Seit dem Update vom {date} schließt sich die App, sobald ich sie öffne.
. Die App zeigt einen Fehler, wenn ich eine Überweisung machen will.
. Die App zeigt mein Konto und meine Karte nicht mehr an.
? Wann wird das repariert?
? Was kann ich tun, damit die App geht?
# tan
- es kommt keine tan
- sms code kommt nicht
- tan ungültig
. Ich bekomme die TAN für meine Überweisung von {amount} nicht.
. Der Code, der per SMS kommt, wird immer als ungültig abgelehnt.
. Mein TAN-Gerät zeigt seit dem {date} einen Fehler.
? Wie bekomme ich eine TAN, die geht?
? Können Sie den Code anders schicken?
# new_phone
- neues handy, app nicht freigeschaltet
- wie zieht die app aufs neue handy um
. Ich habe ein neues Handy und kann die App darauf nicht freischalten.
. Mein altes Handy mit der App ist kaputt, und ich brauche es für die Freigabe einer Zahlung.
. Der Aktivierungsbrief für mein Handy, am {date} versprochen, ist nicht gekommen.
? Wie aktiviere ich das neue Handy?
? Bitte schicken Sie mir einen neuen Aktivierungscode.
# unknown_charge
- kenne die abbuchung von {amount} nicht
- {amount} bei {merchant} war ich nicht
- wer hat {amount} abgebucht
. Am {date} steht da eine Zahlung von {amount} an {merchant}, die ich nicht gemacht habe.
. Ich kenne die Belastung von {amount} auf meiner Karte nicht.
. Jemand hat mit meiner Karte in {city} bezahlt, und ich war nie dort.
? Bitte sperren Sie die Karte und geben Sie mir mein Geld zurück.
? Was tue ich gegen eine Zahlung, die ich nicht gemacht habe?
# phishing
- falsche mail von euch bekommen
- auf link geklickt, ist das betrug
- sms mit link, echt?
. Ich habe in Ihrem Namen eine E-Mail bekommen, die nach Passwort und Kartennummer fragt.
. Ich habe in einer SMS auf einen Link geklickt und mein Passwort eingegeben, bevor ich es merkte.
. Eine seltsame Seite, die wie Ihr Online-Banking aussieht, fragte mich nach einer TAN.
? Ist diese Nachricht wirklich von Ihnen?
? Bitte prüfen Sie, ob etwas von meinem Konto gestohlen wurde.
# scam_call
- anrufer sagte er ist von der bank
- habe code am telefon gesagt
- betrüger hat angerufen
. Ein Mann rief an, sagte, er sei von Ihrer Sicherheitsabteilung, und wollte eine TAN.
. Ich wurde am Telefon zu einer Überweisung von {amount} überredet, und jetzt glaube ich, es war Betrug.
. Jemand schrieb mir als meine Tochter mit neuer Nummer, und ich habe {amount} geschickt.
? Bitte stoppen Sie die Überweisung, wenn Sie können.
? Muss ich zur Polizei gehen?
# mortgage
- zinsen für baufinanzierung
- angebot hypothek
- kredit für ein haus in {city}
. Wir möchten in {city} ein Haus kaufen und brauchen eine Baufinanzierung.
. Die Zinsbindung unserer Hypothek endet dieses Jahr.
. Ich warte noch auf das Angebot für die Baufinanzierung, das am {date} versprochen wurde.
? Welchen Zins können Sie anbieten?
? Können wir einen Termin mit einem Berater haben?
# instalment
- kann die rate diesen monat nicht zahlen
- kreditrate doppelt abgebucht
- rate auf den 15. verschieben
. Ich kann die Rate von {amount} für meinen Kredit diesen Monat nicht zahlen.
. Die Rate meines Kredits wurde am {date} zweimal vom Konto abgebucht.
. Ich möchte meinen Kredit an einem anderen Tag des Monats zahlen.
? Kann die Rate gestundet werden?
? Bitte ändern Sie den Tag.
# overdraft
- dispo limit
- dispozinsen zu hoch
- dispo auf {amount} erhöhen
. Mein Konto ist überzogen, und mir wurden {amount} Zinsen berechnet.
. Ich brauche für einige Wochen einen Dispo von {amount}.
. Sie haben meinen Dispokredit gekürzt, ohne es mir zu sagen.
? Kann ich einen höheren Dispo bekommen?
? Was kostet der Dispo?
# early_repayment
- kredit vorzeitig zurückzahlen
- wie viel ist vom kredit noch offen
. Ich möchte den Rest meines Kredits, {amount}, auf einmal zurückzahlen.
. Ich habe mein Auto verkauft und möchte den Kredit ablösen.
. Ich muss wissen, wie viel von meinem Kredit noch offen ist.
? Gibt es dafür eine Entschädigung?
? Bitte nennen Sie mir Betrag und Konto.
# general
- bitte zurückrufen
- niemand antwortet
- warte immer noch auf antwort
. Ich habe dreimal angerufen und hing jedes Mal in der Warteschleife.
. Am {date} habe ich Ihnen geschrieben, und es kam keine Antwort.
. Ich war in Ihrer Filiale in {city}, und man sagte mir, ich solle schreiben.
? Bitte rufen Sie mich zurück.
? Wer ist dafür zuständig?
# wallet
- novapay geht nicht
- novapay bei {merchant} abgelehnt
- karte lässt sich nicht zu novapay hinzufügen
. Ich kann meine Karte auf der Smartwatch nicht zu NovaPay hinzufügen.
. NovaPay wurde bei {merchant} abgelehnt, obwohl {amount} abgebucht wurden.
. NovaPay sagt seit dem {date}, mein Token sei unbekannt, und ich kann mit der Smartwatch nicht mehr zahlen.
? Wie richte ich NovaPay ein?
? Bitte schalten Sie NovaPay für mich frei.
"""

LATER = """
# tan
- passkey geht nicht
. Seit Sie die TAN abgeschafft haben, will die App einen Passkey, den ich nie hatte.
? Wie richte ich einen Passkey ein?
# login
- anmeldung nur mit passkey
. Ich kann mich ohne Passkey nicht anmelden, und mein Computer bietet mir keinen an.
? Gibt es einen Weg ohne den Passkey?
# phishing
- brief mit qr code, echt?
. Ich habe den QR-Code in einem Brief von Ihnen gescannt, und die Seite wollte meinen Passkey.
? Sind diese Briefe mit QR-Code von Ihnen?
"""

GERMAN = Language(
    code="de",
    share=0.35,
    topics=phrases_of(TOPICS),
    later=phrases_of(LATER),
    money=("{0} €", "{0} Euro", "{0} EUR", "{0}€"),
    decimal=",",
    dates=("{day}. {month}", "{day}.{number}.", "{day:02}.{number:02}.{year}", "{day:02}.{number:02}."),
    months=listed(
        "Januar, Februar, März, April, Mai, Juni, Juli, August, September, Oktober, November, Dezember"
    ),
    keyboard=("qwertzuiopü", "asdfghjklöä", "yxcvbnm"),
    plain=str.maketrans(
        {"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss", "é": "e", "€": "EUR"}
    ),
    merchants=listed(
        "Autohaus Lerch, Bäckerei Stolle, Café Morgenrot, Drogerie Falk, Elektro Winkler, Fahrrad Kranz, "
        "Gartenwelt Holm, Hotel Seeblick, Irmgards Moden, Juwelier Amsel, Kaufhaus Brandt, Lesezeit Bücher, "
        "Möbel Tanner, Nordstern Reisen, Optik Haller, Pizzeria Vesuvio, Schuhhaus Ebert, Tankstelle Nord, "
        "Wolke Mobilfunk, Zoo Kaiser"
    ),
    cities=listed(
        "Augsburg, Bonn, Dresden, Hamburg, Innsbruck, Jena, Köln, Leipzig, Mallorca, Prag, Wien, Zürich"
    ),
    first_names=listed(
        "Anja, Bernd, Claudia, Dirk, Elke, Felix, Greta, Holger, Ines, Jonas, Katrin, Lukas, Monika"
    ),
    last_names=listed(
        "Albrecht, Böhm, Conrad, Dietz, Engel, Fuchs, Graf, Heinze, Jung, Keller, Lorenz, Möller"
    ),
    greetings=(
        "Sehr geehrte Damen und Herren,",
        "Guten Tag,",
        "Liebes Team,",
        "Guten Morgen,",
        "Sehr geehrter Kundenservice,",
    ),
    hellos=("hallo", "hi", "moin", "guten abend", "servus"),
    openers=(
        "Ich hoffe, es geht Ihnen gut.",
        "Ich wende mich in folgender Sache an Sie.",
        "Ich bin seit vielen Jahren Kunde bei Ihnen.",
        "Vielen Dank für Ihre Hilfe beim letzten Mal.",
    ),
    details=(
        "Es geht um {amount} vom {date}.",
        "Meine Karte endet auf {digits}.",
        "Zuletzt habe ich bei {merchant} {amount} bezahlt.",
        "Sie erreichen mich telefonisch nach fünf.",
        "Ein Bildschirmfoto habe ich angehängt.",
        "Mein Konto habe ich damals in {city} eröffnet.",
        "In der App und am Computer habe ich es schon versucht.",
        "Auf dem Konto ist genug Geld.",
    ),
    stories=(
        "Ich bin seit meinem ersten Konto in {city} bei Ihrer Bank, und bisher war alles gut.",
        "Mein Mann meint, es liegt an der App, aber das sagt er immer.",
        "Am {date} war ich bei {merchant} einkaufen und habe {amount} mit Karte gezahlt, das ging.",
        "Meine Nachbarin hatte etwas Ähnliches mit einer Überweisung, und ihr wurde gleich geholfen.",
        "In der Woche war ich in {city}, weil meine Mutter im Krankenhaus liegt.",
        "Ich schreibe so etwas nicht gern, aber die Leitung war wieder besetzt.",
        "Erst dachte ich, mein Handy sei kaputt, dann, es sei die Karte.",
        "Mein Sohn, der sich mit Computern auskennt, sagt, die Bank muss nachsehen.",
    ),
    asides=(
        "Übrigens hat sich meine andere Sache ({other}) erledigt.",
        "Mit meiner letzten Nachricht ({other}) hat das nichts zu tun.",
        "Meine Schwester hatte bei Ihnen ein anderes Problem: {other}.",
    ),
    complaints=(
        "Das ist unmöglich!",
        "Ich bin wirklich sauer!",
        "Wie kann eine Bank so arbeiten?",
        "Jetzt schon zum dritten Mal!",
        "Wofür zahle ich eigentlich Gebühren?",
        "Unglaublich!",
    ),
    threats=(
        "Wenn bis morgen nichts geschieht, gehe ich zu einer anderen Bank!",
        "Ich werde mich beim Ombudsmann beschweren!",
        "Sie hören von meinem Anwalt!",
        "Ich will heute noch eine Antwort!",
    ),
    pleas=("bitte um hilfe", "danke", "bitte schnell", "dringend!!", "was nun?", ":(", "bitte prüfen", "??"),
    thanks=(
        "Vielen Dank für Ihre Hilfe.",
        "Ich freue mich auf Ihre Antwort.",
        "Besten Dank im Voraus.",
        "Entschuldigen Sie die Mühe.",
    ),
    farewells=("Mit freundlichen Grüßen", "Viele Grüße", "Freundliche Grüße", "Danke und Gruß", "MfG"),
    footers=("Von meinem Handy gesendet", "Bitte denken Sie an die Umwelt, bevor Sie diese E-Mail drucken."),
)
