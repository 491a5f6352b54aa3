"""French customers."""

from bank_simulator.messages.languages.base import Language, listed, phrases_of

__all__ = ["FRENCH"]

TOPICS = """
# card_lost
- carte perdue, opposition svp
- carte volée à {city}
- je ne trouve plus ma carte {digits}
. J'ai perdu à {city}, le {date}, ma carte qui se termine par {digits}.
. On m'a volé mon portefeuille le {date} et ma carte bancaire était dedans.
. Je ne trouve plus ma carte ; je l'ai utilisée la dernière fois chez {merchant}.
? Merci de faire opposition et de m'envoyer une nouvelle carte.
? Pouvez-vous bloquer la carte tout de suite ?
# card_declined
- carte refusée chez {merchant}
- paiement de {amount} pas passé
- carte encore refusée, assez d'argent sur le compte
. Ma carte a été refusée chez {merchant} alors qu'il y a assez d'argent sur mon compte.
. Le {date}, je n'ai pas pu payer {amount} chez {merchant}, le terminal refusait ma carte.
. Le paiement de {amount} n'est pas passé, et chez {merchant} on m'a dit que la banque l'avait bloqué.
? Pourquoi le paiement a-t-il été refusé ?
? Merci de faire en sorte que ma carte fonctionne de nouveau.
# pin
- code de la carte oublié
- code faux 3 fois, carte bloquée
- nouveau code secret svp
. J'ai oublié le code secret de ma carte qui se termine par {digits}.
. J'ai tapé trois fois un mauvais code secret au distributeur et maintenant tout est bloqué.
. La lettre avec le code secret de ma nouvelle carte n'est pas arrivée.
? Puis-je avoir un nouveau code secret ?
? Comment choisir moi-même mon code secret ?
# card_delivery
- où est ma nouvelle carte
- nouvelle carte pas encore là
- carte bientôt expirée, pas de nouvelle
. Ma carte expire ce mois-ci et la nouvelle n'est pas arrivée.
. Vous m'avez dit le {date} qu'une nouvelle carte était en route, mais rien n'est venu par la poste.
. J'ai déménagé à {city} et je crains que la nouvelle carte soit partie à l'ancienne adresse.
? Quand la carte arrivera-t-elle ?
? Pouvez-vous vérifier où elle a été envoyée ?
# card_abroad
- ma carte marche à {city}
- carte ne marche pas à l'étranger
- frais de {amount} à l'étranger
. Nous partons en vacances à {city} et je veux être sûr de pouvoir y payer avec ma carte.
. Je suis en voyage et le distributeur à {city} n'accepte pas ma carte.
. Vous m'avez pris {amount} de frais pour ma carte à l'étranger.
? Dois-je débloquer la carte pour d'autres pays ?
? Quels frais vais-je payer à l'étranger ?
# card_limit
- augmenter le plafond de ma carte
- plafond trop bas pour {amount}
- quel est mon plafond
. Je dois payer {amount} chez {merchant} et le plafond de ma carte est trop bas.
. Le plafond de ma carte de crédit a été baissé le {date} sans un mot.
. Je voudrais un plafond plus élevé pendant un mois.
? Merci d'augmenter le plafond.
? De quoi avez-vous besoin pour un plafond plus élevé ?
# charged_twice
- débité deux fois par {merchant}
- {amount} débité 2x
- double débit {merchant}
. {merchant} m'a débité {amount} deux fois.
. Sur mon relevé, le paiement de {amount} à {merchant} du {date} apparaît deux fois.
. J'ai payé {amount} une fois, mais l'argent a été pris deux fois sur mon compte.
? Merci de me rembourser l'un des deux.
? Pouvez-vous récupérer le second montant ?
# transfer_missing
- virement de {amount} pas arrivé
- paiement pas passé, où est mon argent
- {amount} envoyé le {date}, rien reçu
. J'ai envoyé {amount} à {person} le {date} et l'argent n'est pas arrivé.
. Un virement de {amount} a quitté mon compte, mais {person} dit n'avoir rien reçu.
. Mon employeur a versé mon salaire le {date} et il n'est toujours pas sur mon compte.
? Où est l'argent ?
? Merci de chercher ce qu'est devenu le virement.
# direct_debit
- prélèvement {merchant} rejeté
- arrêter le prélèvement de {merchant}
- {merchant} a prélevé {amount}
. {merchant} a prélevé {amount} alors que j'ai résilié le contrat.
. Un prélèvement de {merchant} a été rejeté le {date} alors qu'il y avait assez d'argent sur le compte.
. Je n'ai donné aucun mandat à {merchant}, et pourtant {amount} a été prélevé le {date}.
? Merci de rejeter le prélèvement.
? Comment bloquer les prélèvements de cette société ?
# standing_order
- modifier virement permanent du loyer
- virement permanent pas exécuté
- arrêter virement permanent de {amount}
. Mon virement permanent pour le loyer n'a pas été exécuté le {date}.
. Je veux que mon virement permanent soit désormais de {amount}.
. Le virement permanent à {person} a été exécuté alors que je l'avais supprimé dans l'application.
? Merci de modifier le virement permanent.
? Pouvez-vous me dire pourquoi il n'a pas été exécuté ?
# wrong_recipient
- argent envoyé au mauvais compte
- mauvais iban, je veux récupérer {amount}
- virement à la mauvaise personne
. Je me suis trompé dans l'IBAN et j'ai envoyé {amount} à quelqu'un que je ne connais pas.
. Le {date}, j'ai viré {amount} à la mauvaise personne, {person}.
. Le virement de {amount} est parti sur un ancien compte de {person}, qui est fermé.
? Pouvez-vous rappeler l'argent ?
? Comment récupérer mon argent ?
# foreign_transfer
- frais swift trop élevés
- délai pour un virement à {city}
- il me faut le bic pour un virement de l'étranger
. Je veux envoyer {amount} sur un compte à {city} et je dois connaître les frais.
. Le virement à l'étranger du {date} est arrivé avec {amount} de moins que ce que j'ai envoyé.
. Pour un paiement d'un autre pays, on me demande un BIC et votre adresse.
? Combien de temps prend un virement à l'étranger ?
? Quel taux de change prenez-vous ?
# refund
- remboursement de {merchant} pas reçu
- où est mon remboursement de {amount}
- {merchant} dit que l'argent est rendu
. J'ai rendu un article à {merchant} et le remboursement de {amount} n'est pas sur mon compte.
. {merchant} dit que le remboursement a été fait le {date}, mais je ne le vois pas.
. Le voyage que j'ai payé par carte a été annulé et les {amount} ne sont pas revenus.
? Quand le remboursement sera-t-il crédité ?
? Pouvez-vous voir si l'argent est en route ?
# statement
- il me faut mes relevés
- relevé manquant
- pas de relevé ce mois-ci
. J'ai besoin des relevés de l'année dernière pour l'administration.
. Mon relevé de ce mois n'est pas dans ma messagerie.
. Le solde de mon relevé n'est pas celui de l'application.
? Merci de m'envoyer le relevé sur papier.
? Où trouver les anciens relevés ?
# address
- nouvelle adresse
- j'ai déménagé à {city}
- nouveau nom, mariage
. J'ai déménagé à {city} et il faut changer mon adresse.
. Je me suis mariée le {date} et j'ai un nouveau nom.
. Mon numéro de téléphone et mon adresse électronique ont changé.
? Merci de modifier mes coordonnées.
? Quels papiers vous faut-il ?
# tax_certificate
- attestation fiscale svp
- imprimé fiscal de l'année dernière
- dispense de prélèvement fiscal
. J'ai besoin de l'imprimé fiscal de l'année dernière pour ma déclaration d'impôts.
. Mon comptable demande l'attestation des intérêts et des plus-values.
. Vous avez retenu {amount} d'impôt alors que j'ai envoyé une dispense.
? Quand l'attestation sera-t-elle envoyée ?
? Merci de m'envoyer l'attestation encore une fois.
# close_account
- fermer mon compte
- clôturer le compte, je change de banque
- comment fermer le compte
. Je veux fermer mon compte à la fin du mois.
. Ma mère est décédée le {date} et son compte doit être clôturé.
. Je change de banque et je n'ai plus besoin de mon compte chez vous.
? Merci de me confirmer la fermeture.
? Que devient l'argent qui reste dessus ?
# new_account
- ouvrir un compte pour mon fils
- compte joint possible
- deuxième compte d'épargne
. Je voudrais ouvrir un livret d'épargne pour ma fille.
. Ma femme et moi voulons un compte joint.
. J'ai demandé un compte le {date} et je n'ai aucune nouvelle.
? Quels papiers faut-il pour cela ?
? Combien de temps cela prend-il ?
# fees
- pourquoi {amount} de frais
- frais de compte trop élevés
- encore des frais
. Vous m'avez pris {amount} de frais de compte le {date}.
. Selon vos nouveaux tarifs, mon compte coûtera {amount}.
. On m'a dit que le compte et la carte étaient gratuits, et maintenant il y a des frais.
? Merci de m'expliquer ces frais.
? Je veux qu'on me rende les frais.
# login
- impossible de me connecter
- mot de passe refusé
- accès à la banque en ligne bloqué
. Je ne peux plus me connecter à la banque en ligne, mon mot de passe est refusé.
. Depuis le {date}, mon accès est bloqué après trois essais.
. J'ai oublié mon identifiant pour la banque en ligne.
? Merci de débloquer mon accès.
? Comment réinitialiser le mot de passe ?
# app_crash
- l'appli plante tout le temps
- l'appli ne s'ouvre plus après la mise à jour
- erreur dans l'appli quand je paie
. Depuis la mise à jour du {date}, l'application se ferme dès que je l'ouvre.
. L'application affiche une erreur quand je veux faire un virement.
. L'application n'affiche plus mon compte ni ma carte.
? Quand sera-ce réparé ?
? Que puis-je faire pour que l'application marche ?
# tan
- je ne reçois pas le code sms
- code de validation invalide
- pas de code pour valider
. Je ne reçois pas le code de validation pour mon virement de {amount}.
. Le code qui arrive par SMS est toujours refusé comme invalide.
. Mon boîtier de validation affiche une erreur depuis le {date}.
? Comment obtenir un code qui marche ?
? Pouvez-vous envoyer le code autrement ?
# new_phone
- nouveau téléphone, appli pas activée
- passer l'appli sur le nouveau téléphone
- nouveau numéro pour les sms
. J'ai un nouveau téléphone et je ne peux pas y activer l'application.
. Mon ancien téléphone avec l'application est cassé, et j'en ai besoin pour valider un paiement.
. La lettre d'activation pour mon téléphone, promise le {date}, n'est pas arrivée.
? Comment activer le nouveau téléphone ?
? Merci de m'envoyer un nouveau code d'activation.
# unknown_charge
- je ne connais pas ce débit de {amount}
- {amount} chez {merchant} pas moi
- qui a pris {amount}
. Le {date}, il y a un paiement de {amount} à {merchant} que je n'ai pas fait.
. Je ne connais pas le débit de {amount} sur ma carte.
. Quelqu'un a payé avec ma carte à {city}, et je n'y suis jamais allé.
? Merci de bloquer la carte et de me rendre mon argent.
? Que faire pour un paiement que je n'ai pas fait ?
# phishing
- faux mail de votre part
- j'ai cliqué sur un lien, c'est une fraude
- sms avec un lien, vrai ?
. J'ai reçu à votre nom un courriel qui demande mon mot de passe et mon numéro de carte.
. J'ai cliqué sur un lien dans un SMS et tapé mon mot de passe avant de m'en rendre compte.
. Un site étrange qui ressemble à votre banque en ligne m'a demandé un code de validation.
? Ce message vient-il vraiment de vous ?
? Merci de vérifier si on a volé quelque chose sur mon compte.
# scam_call
- quelqu'un a dit qu'il est de la banque
- j'ai donné le code au téléphone
- un escroc m'a appelé
. Un homme a appelé en disant être de votre service de sécurité et voulait un code.
. On m'a convaincu au téléphone de faire un virement de {amount}, et je crois que c'est une fraude.
. Quelqu'un m'a écrit comme si c'était ma fille avec un nouveau numéro et j'ai envoyé {amount}.
? Merci d'arrêter le virement si vous le pouvez.
? Dois-je aller à la police ?
# mortgage
- taux pour un prêt immobilier
- offre de prêt immobilier
- prêt pour une maison à {city}
. Nous voulons acheter une maison à {city} et avons besoin d'un prêt immobilier.
. Le taux fixe de notre prêt immobilier se termine cette année.
. J'attends toujours l'offre de prêt immobilier promise pour le {date}.
? Quel taux pouvez-vous proposer ?
? Pouvons-nous avoir un rendez-vous avec un conseiller ?
# instalment
- je ne peux pas payer la mensualité
- mensualité du prêt prise deux fois
- mensualité au 15 svp
. Je ne peux pas payer ce mois-ci la mensualité de {amount} de mon crédit.
. La mensualité de mon crédit a été prise deux fois sur mon compte le {date}.
. Je voudrais payer mon crédit un autre jour du mois.
? La mensualité peut-elle être reportée ?
? Merci de changer le jour.
# overdraft
- découvert autorisé
- agios trop élevés
- augmenter découvert à {amount}
. Mon compte est à découvert et on m'a pris {amount} d'intérêts.
. J'ai besoin d'un découvert de {amount} pour quelques semaines.
. Vous avez baissé mon découvert autorisé sans me le dire.
? Puis-je avoir un découvert plus élevé ?
? Combien coûte le découvert ?
# early_repayment
- rembourser le prêt plus tôt
- combien reste-t-il sur mon crédit
- solder mon crédit
. Je veux rembourser en une fois le reste de mon crédit, {amount}.
. J'ai vendu ma voiture et je veux solder le crédit.
. Je dois savoir combien il reste sur mon crédit.
? Y a-t-il une pénalité pour cela ?
? Merci de m'indiquer le montant et le compte.
# general
- rappelez-moi
- personne ne répond
- j'attends toujours une réponse
. J'ai appelé trois fois et on m'a mis en attente à chaque fois.
. Le {date}, je vous ai envoyé un message et il n'y a pas eu de réponse.
. J'étais à votre agence de {city} et on m'a dit de vous écrire.
? Merci de me rappeler.
? Qui s'occupe de cela ?
# wallet
- novapay ne marche pas
- novapay refusé chez {merchant}
- impossible d'ajouter ma carte à novapay
. Je ne peux pas ajouter ma carte à NovaPay sur ma smartwatch.
. NovaPay a été refusé chez {merchant}, alors que {amount} a été débité.
. NovaPay dit depuis le {date} que mon token est inconnu, et je ne peux plus payer avec ma smartwatch.
? Comment configurer NovaPay ?
? Merci d'activer NovaPay pour moi.
"""

LATER = """
# tan
- passkey refusée
. Depuis que vous avez supprimé le code par SMS, l'application veut une passkey que je n'ai jamais eue.
? Comment créer une passkey ?
# login
- connexion seulement avec passkey
. Je ne peux pas me connecter sans passkey, et mon ordinateur ne m'en propose pas.
? Y a-t-il un moyen sans la passkey ?
# phishing
- lettre avec qr code, vraie ?
. J'ai scanné le QR code d'une lettre de votre part, et le site a demandé ma passkey.
? Ces lettres avec QR code viennent-elles de vous ?
"""

FRENCH = Language(
    code="fr",
    share=0.2,
    topics=phrases_of(TOPICS),
    later=phrases_of(LATER),
    money=("{0} €", "{0} euros", "{0} EUR", "{0}€"),
    decimal=",",
    dates=("{day} {month}", "{day:02}/{number:02}", "{day:02}/{number:02}/{year}", "{day} {month} {year}"),
    months=listed(
        "janvier, février, mars, avril, mai, juin, juillet, août, septembre, octobre, novembre, décembre"
    ),
    keyboard=("azertyuiop", "qsdfghjklm", "wxcvbn"),
    plain=str.maketrans(dict(zip("àâçéèêëîïôùûÉÀ", "aaceeeeiiouuEA", strict=True)) | {"€": "EUR"}),
    merchants=listed(
        "Au Bon Pain Doré, Bijoux Colette, Café des Arts, Déco Maison Sud, Électro Garnier, Fleurs de Lune, "
        "Garage Perrin, Hôtel du Lac, Jardins Valmont, La Cave Rousse, Librairie Plume, Mode Amandine, "
        "Optique Clair, Papeterie Noël, Restaurant Le Phare, Sport Altitude, Station Lemaire, Télécom Azur, "
        "Vélos Martin, Voyages Mistral"
    ),
    cities=listed(
        "Annecy, Bordeaux, Bruxelles, Genève, Lille, Lyon, Marrakech, Nantes, Nice, Paris, Rome, Tunis"
    ),
    first_names=listed(
        "Amélie, Bruno, Camille, Denis, Élise, Fabien, Hélène, Julien, Lucie, Marc, Nadia, Olivier"
    ),
    last_names=listed("Arnaud, Blanc, Chevalier, Dumas, Fontaine, Gauthier, Lambert, Moreau, Perrot, Renard"),
    greetings=("Madame, Monsieur,", "Bonjour,", "Chère équipe,", "Bonsoir,", "Cher service client,"),
    hellos=("bonjour", "salut", "bonsoir", "hello", "bjr"),
    openers=(
        "J'espère que vous allez bien.",
        "Je vous écris au sujet de ce qui suit.",
        "Je suis client chez vous depuis de longues années.",
        "Merci de votre aide la dernière fois.",
    ),
    details=(
        "Il s'agit de {amount}, le {date}.",
        "Ma carte se termine par {digits}.",
        "J'ai payé en dernier {amount} chez {merchant}.",
        "Vous pouvez me joindre par téléphone après cinq heures.",
        "J'ai joint une capture d'écran.",
        "Mon compte est celui que j'ai ouvert à {city}.",
        "J'ai déjà essayé dans l'application et sur l'ordinateur.",
        "Il y a assez d'argent sur le compte.",
    ),
    stories=(
        "Je suis dans votre banque depuis mon premier compte à {city}, et jusqu'ici tout allait bien.",
        "Mon mari pense que c'est à cause de l'application, mais il dit toujours cela.",
        "Le {date}, j'ai fait des courses chez {merchant} et payé {amount} par carte, ce qui a marché.",
        "Ma voisine a eu quelque chose de semblable avec un virement et on l'a aidée tout de suite.",
        "Cette semaine-là, j'étais à {city} parce que ma mère est à l'hôpital.",
        "Je n'aime pas écrire de tels messages, mais la ligne était encore occupée.",
        "D'abord j'ai cru que mon téléphone était cassé, puis que c'était la carte.",
        "Nous économisons pour une table de chez {merchant}, chaque euro compte.",
        "Le jeune homme de l'agence était très gentil et ne savait pas non plus.",
        "Mon fils, qui s'y connaît en ordinateurs, dit que la banque doit regarder.",
    ),
    asides=(
        "Au fait, mon autre demande ({other}) est réglée.",
        "Cela n'a rien à voir avec mon dernier message ({other}).",
        "Ma soeur a eu un autre problème chez vous : {other}.",
    ),
    complaints=(
        "C'est inadmissible !",
        "Je suis vraiment en colère !",
        "Comment une banque peut-elle travailler ainsi ?",
        "C'est déjà la troisième fois !",
        "Pourquoi est-ce que je paie des frais ?",
        "Incroyable !",
    ),
    threats=(
        "Si rien ne se passe d'ici demain, je change de banque !",
        "Je vais me plaindre au médiateur !",
        "Vous aurez des nouvelles de mon avocat !",
        "Je veux une réponse aujourd'hui !",
    ),
    pleas=("svp", "merci", "vite svp", "urgent !!", "que faire ?", ":(", "merci de vérifier", "??"),
    thanks=(
        "Merci beaucoup de votre aide.",
        "Dans l'attente de votre réponse.",
        "Merci d'avance.",
        "Veuillez excuser le dérangement.",
    ),
    farewells=("Cordialement", "Bien cordialement", "Sincères salutations", "Merci", "Bonne journée"),
    footers=("Envoyé de mon téléphone", "Pensez à l'environnement avant d'imprimer ce courriel."),
)
